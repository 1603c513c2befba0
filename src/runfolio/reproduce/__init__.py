"""Repetition of a recorded run, and comparison of the repeated run with the original (`runfolio reproduce`).

`recorded_start` reads how a run was started, and `plan` decides how to repeat it. `checkout` writes the code to a fresh
folder, and `environment_check` lists the deviations from the record. `repeat` then calls three modules: `child` runs
the command, `verdict` compares the two runs, and `causes` finds likely causes of a different result.
"""
