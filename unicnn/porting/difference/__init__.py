"""Two networks or two recipes side by side: what differs, and what the difference does to the numbers."""

from unicnn.porting.difference.asking import diff
from unicnn.porting.difference.result import Difference, Effect, NetworkDiff, RecipeDiff

__all__ = ["Difference", "Effect", "NetworkDiff", "RecipeDiff", "diff"]
