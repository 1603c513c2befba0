"""Use of runfolio with TensorBoard: a SummaryWriter that writes to runfolio's record, and a wrapper of TensorBoard's
server."""
