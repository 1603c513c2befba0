"""SummaryWriter's API that writes to runfolio's record, and TensorBoard's own server."""
