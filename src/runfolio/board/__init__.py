"""Board: a local web server and a web app that show the recorded runs of a store, and follow runs while they train."""
