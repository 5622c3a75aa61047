"""Label-free pretraining of LiDAR backbones from driving logs (LiMA, arXiv 2507.05260)."""

__version__ = "0.1.0"
