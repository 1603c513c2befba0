"""Board: a local web server and app that show the runs of a store, live."""
