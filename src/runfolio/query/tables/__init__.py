"""Tables of runs: the run list, the leaderboard and the comparison."""
