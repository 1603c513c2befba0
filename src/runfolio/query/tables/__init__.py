"""Tables of runs: the list of runs, the leaderboard and the comparison."""
