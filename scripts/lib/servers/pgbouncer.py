"""PgBouncer before a PostgreSQL of its own: sessions for a transaction, and sessions for as long as a client stays."""

import shutil
import subprocess
from pathlib import Path

from . import postgres
from .place import Place, free_ports

NAME = "pgbouncer"

# Its database, and the same by a name that lends whole sessions.
CONFIGURATION = """
[databases]
test = host=127.0.0.1 port={postgres_port} dbname=test user=postgres pool_size=4
session = host=127.0.0.1 port={postgres_port} dbname=test user=postgres pool_mode=session pool_size=20
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
max_client_conn = 200
max_db_connections = 40
{more}
logfile = {folder}/{name}.log
pidfile = {folder}/{name}.pid
"""


def program() -> str:
    return shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin") or ""


def missing() -> str:
    return postgres.missing() or ("" if program() else "PgBouncer is not installed (Debian: pgbouncer)")


def serve(place: Place, name: str, port: int, postgres_port: int, more: str = "") -> None:
    configuration = place.folder / f"{name}.ini"
    configuration.write_text(CONFIGURATION.format(name=name, port=port, postgres_port=postgres_port, more=more,
                                                  folder=place.folder), encoding="utf-8")
    process = place.spawn([program(), str(configuration)], f"{name}.out")
    ask = [str(postgres.programs() / "psql"), "-h", "127.0.0.1", "-p", str(port), "-U", "postgres", "-d", "test",
           "-Atc", "select 1"]
    place.wait(process, lambda: subprocess.run(ask, capture_output=True, check=False).stdout.strip() == b"1",
               "PgBouncer", f"{name}.out")


def start(folder: Path) -> dict[str, str]:
    place = Place(folder, "postgres")  # Neither of the two runs as root.
    data = folder / "postgres"
    port, strict_port, postgres_port = free_ports(3)
    place.run([str(postgres.programs() / "initdb"), "-D", str(data), "-U", "postgres", "-A", "trust", "-E", "UTF8",
               "--locale=C.UTF-8", "--no-sync", "--no-instructions"])
    with open(data / "postgresql.conf", "a", encoding="utf-8") as file:
        file.write(postgres.PLAIN_SETTINGS.format(port=postgres_port, folder=folder))
        # What a session has when nobody says otherwise.
        file.write("timezone = 'Asia/Kolkata'\ndatestyle = 'German'\nbytea_output = 'escape'\nextra_float_digits = 0\n")
    postgres.serve(place, data, postgres_port, "the PostgreSQL behind PgBouncer")
    postgres.sql(place, postgres_port, "create database test;")
    serve(place, "pgbouncer", port, postgres_port, "ignore_startup_parameters = options")
    serve(place, "strict", strict_port, postgres_port)
    return {
        "TIDELOCK_TEST_PGBOUNCER": f"postgres://postgres@127.0.0.1:{port}/test",
        "TIDELOCK_TEST_PGBOUNCER_SESSION": f"postgres://postgres@127.0.0.1:{port}/session?pooler=session",
        "TIDELOCK_TEST_PGBOUNCER_STRICT": f"postgres://postgres@127.0.0.1:{strict_port}/test",
        "TIDELOCK_TEST_PGBOUNCER_FOLDER": str(folder),
        "TIDELOCK_TEST_PGBOUNCER_SERVER": f"postgres://postgres@127.0.0.1:{postgres_port}/test",
    }
