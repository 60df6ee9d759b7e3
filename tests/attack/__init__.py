"""Attacks on hiergeo: damaged files, hostile words, processes killed at any moment, full disks and memory bombs.

A fixed set of them runs with the tests. ``python -m tests.attack`` runs many more and prints what came of them: how
many were accepted rightly, refused in one sentence, and how many crashed, hung or did wrong in silence.

| module | idea |
|---|---|
| `trial` | one attack and the verdict on it |
| `mutants` | damage to bytes, JSON, archives and text |
| `stored`, `inputs`, `words` | what is attacked with it: files of ours, files of others, words and calls |
| `corpora` | embedding over a cluster whose drivers and actors die |
| `verbs`, `mirror`, `kills` | commands that write, a server that they download from, and their deaths |
| `indexes` | indexes of search whose writers die, find the disk full or meet each other |
| `mishaps` | full disks, lost folders, second writers, clocks set back |
| `bombs` | small inputs that ask for much memory |
| `apart` | attacks in processes of their own, and the table |
"""
