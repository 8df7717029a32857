"""PostgreSQL: a primary and a streaming standby, and one by itself with the settings of a fresh installation, which tests
crash and which comes back."""

import os
import shutil
import subprocess
from pathlib import Path

from .place import Place, StartError, free_ports, wait_until

NAME = "postgres"

# Who may come in how: roles for the tests of TLS and passwords, and everybody from this machine.
HBA = """
local     all         all                      trust
hostssl   all         +tls_only     127.0.0.1/32 trust
host      all         +tls_only     127.0.0.1/32 reject
hostnossl all         +plain_only   127.0.0.1/32 trust
host      all         +plain_only   127.0.0.1/32 reject
host      all         +with_password 127.0.0.1/32 scram-sha-256
host      all         all           127.0.0.1/32 trust
host      replication all           127.0.0.1/32 trust
"""

SETTINGS = """
listen_addresses = '127.0.0.1'
port = {port}
unix_socket_directories = '{folder}'
wal_level = logical
max_wal_senders = 10
max_replication_slots = 10
max_prepared_transactions = 50
hot_standby_feedback = on
max_connections = 200
ssl = on
ssl_cert_file = '{certificate}'
ssl_key_file = '{key}'
fsync = off
full_page_writes = off
wal_receiver_status_interval = 1s
max_standby_streaming_delay = 5s
"""


PLAIN_SETTINGS = """
listen_addresses = '127.0.0.1'
port = {port}
max_connections = 60
unix_socket_directories = '{folder}'
fsync = off
full_page_writes = off
"""


def programs() -> Path | None:
    """The folder of the newest server that is installed."""
    folders = [folder for folder in Path("/usr/lib/postgresql").glob("*/bin") if (folder / "postgres").exists()]
    if folders:
        return max(folders, key=lambda folder: float(folder.parent.name))
    initdb = shutil.which("initdb")
    return Path(initdb).resolve().parent if initdb and shutil.which("postgres") else None


def missing() -> str:
    if programs() is None:
        return "PostgreSQL is not installed (Debian: postgresql)"
    return "" if shutil.which("openssl") else "openssl is not installed"


def answers(folder: Path, port: int) -> bool:
    command = [str(programs() / "psql"), "-h", str(folder), "-p", str(port), "-U", "postgres", "-Atc", "select 1"]
    return subprocess.run(command, capture_output=True, check=False).stdout.strip() == b"1"


def sql(place: Place, port: int, text: str) -> str:
    return place.run([str(programs() / "psql"), "-h", str(place.folder), "-p", str(port), "-U", "postgres", "-At",
                      "-v", "ON_ERROR_STOP=1", "-f", "-"], text).strip()


def serve(place: Place, data: Path, port: int, what: str, always: bool = False) -> None:
    log = f"{data.name}.log"
    spawn = place.spawn_always if always else place.spawn
    process = spawn([str(programs() / "postgres"), "-D", str(data)], log)
    place.wait(process, lambda: answers(place.folder, port), what, log)


def start(folder: Path) -> dict[str, str]:
    place = Place(folder, "postgres")  # It refuses to run as root.
    primary, standby = folder / "primary", folder / "standby"
    plain = folder / "plain"
    port, standby_port, plain_port = free_ports(3)
    key, certificate = place.certificate()
    place.run([str(programs() / "initdb"), "-D", str(primary), "-U", "postgres", "-A", "trust", "-E", "UTF8",
               "--locale=C.UTF-8", "--no-sync", "--no-instructions"])
    place.run(["cp", "-a", str(primary), str(plain)])
    with open(plain / "postgresql.conf", "a", encoding="utf-8") as file:
        file.write(PLAIN_SETTINGS.format(port=plain_port, folder=folder))
    serve(place, plain, plain_port, "a plain PostgreSQL", always=True)
    with open(primary / "postgresql.conf", "a", encoding="utf-8") as file:
        file.write(SETTINGS.format(port=port, folder=folder, key=key, certificate=certificate))
    (primary / "pg_hba.conf").write_text(HBA, encoding="utf-8")
    serve(place, primary, port, "PostgreSQL")
    sql(place, port, "create role tls_only; create role plain_only; create role with_password; create database test;")

    place.run([str(programs() / "pg_basebackup"), "-h", "127.0.0.1", "-p", str(port), "-U", "postgres",
               "-D", str(standby), "-R", "-C", "-S", "standby", "-X", "stream", "-c", "fast", "--no-sync"])
    with open(standby / "postgresql.conf", "a", encoding="utf-8") as file:
        file.write(f"port = {standby_port}\n")
    serve(place, standby, standby_port, "the standby of PostgreSQL")
    streams = "select count(*) from pg_stat_replication where state = 'streaming'"
    try:
        wait_until(lambda: sql(place, port, streams) == "1", "the standby's following its primary")
    except StartError as error:
        raise StartError(f"{error}\n{place.tail('standby.log')}") from None
    return {
        "TIDELOCK_TEST_POSTGRES": f"postgres://postgres@127.0.0.1:{port}/test",
        "TIDELOCK_TEST_POSTGRES_STANDBY": f"postgres://postgres@127.0.0.1:{standby_port}/test",
        "TIDELOCK_TEST_POSTGRES_PLAIN": f"postgres://postgres@127.0.0.1:{plain_port}/postgres",
        "TIDELOCK_TEST_POSTGRES_PLAIN_PID": str(plain / "postmaster.pid"),
        "TIDELOCK_TEST_POSTGRES_CERTIFICATE": str(certificate),
        "TIDELOCK_TEST_POSTGRES_DATA": os.fspath(primary),
    }
