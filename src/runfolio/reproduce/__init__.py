"""Repeating a recorded run, and saying whether the same came out (`runfolio reproduce`).

`recorded_start` reads how a run was started, `plan` collects what repeating it takes, `checkout` writes its code into a
fresh folder, and `environment_check` lists the deviations from the record. `repeat` then has `child` run the command,
`verdict` compare the two runs, and `causes` name the likely causes of a different result.
"""
