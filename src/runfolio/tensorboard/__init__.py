"""Use of runfolio with TensorBoard: a SummaryWriter that writes to runfolio's record, an import of log directories, and
a wrapper of TensorBoard's server."""
