"""Pictures of runs. What they show is prepared apart from what draws it: matplotlib, or plotext on a terminal."""
