import pytest

from teppr.architectures.contract import ARCHITECTURES, Architecture, torch_architecture
from teppr.testing.architectures import ArchitectureContract


@pytest.mark.slow
class TestEveryArchitecture(ArchitectureContract):
    @pytest.fixture(scope="class", params=ARCHITECTURES.names())
    @classmethod
    def architecture(cls, request: pytest.FixtureRequest) -> Architecture:
        return torch_architecture(request.param)
