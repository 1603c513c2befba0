"""Replacement for SummaryWriter that writes to runfolio's record, and a wrapper that runs TensorBoard's own server."""
