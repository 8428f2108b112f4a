"""OptionsIB: options pricing in a notebook, options trading in a daemon.

``import optionsib`` loads NumPy and the native core, nothing else.
"""
