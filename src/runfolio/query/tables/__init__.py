"""Tables of runs: run list, leaderboard and comparison."""
