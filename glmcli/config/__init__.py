"""From the command line to what will be sent: options, files, keys, the choice of a provider, and the plan."""
