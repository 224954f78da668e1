"""Where networks run: device, threads, and what of a framework's global state that needs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING

from teppr.errors import BadSettings, Missing

if TYPE_CHECKING:
    import torch

FILL = "fill_uninitialized_memory"
"""A switch that PyTorch's types do not know of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Compute:
    """What to compute with.

    device: "auto" (a GPU where there is one), "cpu", "cuda" or "cuda:N"
    threads: of this process; 0 leaves the framework's choice
    """

    device: str = "auto"
    threads: int = 0

    @property
    def torch_device(self) -> torch.device:
        """The device; raises Missing where there is no such GPU."""
        import torch

        if self.device == "auto":
            return torch.device("cuda" if torch.cuda.is_available() else "cpu")
        try:
            device = torch.device(self.device)
        except RuntimeError as error:
            raise BadSettings(f"setting device must be auto, cpu, cuda or cuda:N, got {self.device!r}") from error
        if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
            raise Missing(f"setting device is {self.device!r}, but {torch.cuda.device_count()} GPUs are to be seen")
        return device

    @contextmanager
    def ready(self) -> Iterator[None]:
        """Threads set and, on the CPU, only repeatable algorithms, for as long as the block runs.

        Where PyTorch is not installed, nothing of it can be set: other frameworks see to themselves.
        """
        if find_spec("torch") is None:
            yield
            return
        import torch
        from torch.utils import deterministic

        device, threads = self.torch_device, torch.get_num_threads()
        repeatable, fill = torch.are_deterministic_algorithms_enabled(), getattr(deterministic, FILL)
        try:
            if self.threads:
                torch.set_num_threads(self.threads)
            if device.type == "cpu":
                torch.use_deterministic_algorithms(mode=True)
                # Nothing here reads memory before it is written; filling it would cost a tenth of the time.
                setattr(deterministic, FILL, False)
            yield
        finally:
            torch.set_num_threads(threads)
            torch.use_deterministic_algorithms(mode=repeatable)
            setattr(deterministic, FILL, fill)


@contextmanager
def mixed_precision(device: torch.device) -> Iterator[None]:
    """Sixteen-bit arithmetic (bfloat16) where a GPU has it; elsewhere all stays in 32 bits."""
    import torch

    use = device.type == "cuda" and torch.cuda.is_bf16_supported()
    with torch.autocast("cuda" if use else "cpu", dtype=torch.bfloat16, enabled=use):
        yield
