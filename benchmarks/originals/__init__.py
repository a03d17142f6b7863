"""Networks as their frameworks' own users write or fetch them, to be ported."""
