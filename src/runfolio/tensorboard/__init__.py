"""SummaryWriter's API for runfolio's record, and TensorBoard's own server."""
