"""Repeating a recorded run, and saying whether the same came out (`runfolio reproduce`).

`start` says how a run was begun, `plan` what repeating it takes, `laying` puts its code into a fresh folder, `today`
says what is different from then, `repeat` has `child` run it, `verdict` compare what came out, and `causes` name what
that may be due to.
"""
