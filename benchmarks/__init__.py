"""How fast unicnn is: each network beside the same one written by hand in the same framework.

`python -m benchmarks` checks that both compute the same, measures them in turn and prints the ratios of their times.

`rows` says what is measured, `contestants` and `handwritten` hold the two sides, `host` is the process in which they run,
`duel` takes the times, `commands` those of the command line, `estimate` makes one number of them and `report` a table.
"""
