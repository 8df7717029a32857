"""One file a server. Each has

    NAME        as --only takes it
    MISSING     missing() -> str: why it cannot be started here, or ""
    start       start(place: Place) -> dict[str, str]: starts it and returns the environment of its users
"""

from . import mariadb, pgbouncer, postgres

ALL = {module.NAME: module for module in (postgres, mariadb, pgbouncer)}
