"""Label-free pretraining of LiDAR backbones from driving logs (LiMA, arXiv 2507.05260).

from lima import load_encoder

features = load_encoder("runs/lima").encode(points)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lima.encoder import Encoder, load_encoder

__version__ = "0.1.0"
__all__ = ["Encoder", "__version__", "load_encoder"]


def __getattr__(name: str) -> Any:
    """The encoder comes when it is asked for: it needs torch, and the command line answers before that is loaded."""
    if name in ("Encoder", "load_encoder"):
        from lima import encoder

        return getattr(encoder, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
