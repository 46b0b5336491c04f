"""The door to the network: the one exit (``relay.py``) and the surface around it (``app.py``)."""
