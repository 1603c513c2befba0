"""The SummaryWriter API on runfolio's record."""
