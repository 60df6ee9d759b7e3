"""What every room stands on: errors of one sentence, files, limits, devices, plug-ins and the polar form."""
