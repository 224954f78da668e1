"""Contract tests and factories that authors of plug-ins inherit too."""
