"""MariaDB: a primary and a replica that follows it by GTID, and one by itself with the settings of a fresh installation,
which tests crash and which comes back."""

import os
import shutil
import subprocess
from pathlib import Path

from .place import Place, StartError, free_ports, wait_until

NAME = "mariadb"


def missing() -> str:
    for program in ("mariadbd", "mariadb-install-db", "mariadb"):
        if not find(program):
            return f"MariaDB is not installed: there is no {program} (Debian: mariadb-server)"
    return "" if shutil.which("openssl") else "openssl is not installed"


def find(program: str) -> str:
    return shutil.which(program) or shutil.which(program, path="/usr/sbin:/usr/local/sbin") or ""


def client(place: Place, name: str) -> list[str]:
    return [find("mariadb"), "--no-defaults", f"--socket={place.folder / name}.sock", "--user=root", "--batch",
            "--skip-column-names"]


def sql(place: Place, name: str, text: str) -> str:
    return place.run(client(place, name), text).strip()


def answers(place: Place, name: str) -> bool:
    command = client(place, name) + ["--execute=select 1"]
    return subprocess.run(command, capture_output=True, check=False).stdout.strip() == b"1"


def replicates(server_id: int, key: Path, certificate: Path) -> list[str]:
    return [f"--server-id={server_id}", "--log-bin=bin", "--binlog-format=ROW", "--binlog-row-image=FULL",
            "--binlog-row-metadata=FULL", "--log-slave-updates", "--gtid-strict-mode=1", "--relay-log=relay",
            "--max-connections=200", "--max-allowed-packet=64M", "--local-infile=1",
            "--character-set-server=utf8mb4", "--innodb-buffer-pool-size=64M", "--innodb-log-file-size=32M",
            "--innodb-flush-log-at-trx-commit=2", "--performance-schema=off",
            f"--ssl-cert={certificate}", f"--ssl-key={key}"]


PLAIN = ["--skip-ssl", "--innodb-buffer-pool-size=16M", "--innodb-log-file-size=16M",
         "--innodb-flush-log-at-trx-commit=2"]


def serve(place: Place, name: str, port: int, options: list[str], always: bool = False) -> None:
    data, temp = place.folder / name, place.folder / f"{name}.tmp"
    place.run(["mkdir", str(temp)])
    user = ["--user=root"] if os.geteuid() == 0 else []
    place.run([find("mariadb-install-db"), "--no-defaults", *user, f"--datadir={data}", f"--tmpdir={temp}",
               "--auth-root-authentication-method=normal", "--skip-test-db", "--skip-name-resolve"])
    log = f"{name}.log"
    spawn = place.spawn_always if always else place.spawn
    process = spawn(
        [find("mariadbd"), "--no-defaults", *user, f"--datadir={data}", f"--tmpdir={temp}",
         f"--socket={place.folder / name}.sock", f"--pid-file={place.folder / name}.pid", f"--port={port}",
         "--bind-address=127.0.0.1", "--skip-name-resolve", *options], log)
    place.wait(process, lambda: answers(place, name), f"MariaDB's {name}", log)


# Users of the tests: app may do everything with data and nothing past read_only; replicator follows.
USERS = """
create user if not exists root@'127.0.0.1';
grant all on *.* to root@'127.0.0.1' with grant option;
create user app@'127.0.0.1';
grant select, insert, update, delete, create, drop, alter, index, references, lock tables on *.* to app@'127.0.0.1';
create user replicator@'127.0.0.1' identified by 'replicator';
grant replication slave on *.* to replicator@'127.0.0.1';
create database test;
"""


def start(folder: Path) -> dict[str, str]:
    place = Place(folder)
    port, replica_port, plain_port = free_ports(3)
    key, certificate = place.certificate()
    serve(place, "primary", port, replicates(1, key, certificate))
    sql(place, "primary", USERS)
    serve(place, "plain", plain_port, PLAIN, always=True)
    sql(place, "plain", USERS)
    serve(place, "replica", replica_port, replicates(2, key, certificate))
    sql(place, "replica", f"""
        set global gtid_slave_pos = '';
        change master to master_host = '127.0.0.1', master_port = {port}, master_user = 'replicator',
          master_password = 'replicator', master_use_gtid = slave_pos, master_connect_retry = 1;
        start slave;
        set global read_only = 1;""")
    follows = "select count(*) from information_schema.schemata where schema_name = 'test'"
    try:
        wait_until(lambda: sql(place, "replica", follows) == "1", "the replica's following its primary")
    except StartError as error:
        status = place.run([*client(place, "replica"), "--vertical"], "show slave status")
        raise StartError(f"{error}\n{status[-2000:]}") from None
    return {
        "TIDELOCK_TEST_MARIADB": f"mariadb://root@127.0.0.1:{port}/test",
        "TIDELOCK_TEST_MARIADB_REPLICA": f"mariadb://app@127.0.0.1:{replica_port}/test",
        "TIDELOCK_TEST_MARIADB_PLAIN": f"mariadb://root@127.0.0.1:{plain_port}/test",
        "TIDELOCK_TEST_MARIADB_PLAIN_PID": str(folder / "plain.pid"),
        "TIDELOCK_TEST_MARIADB_CERTIFICATE": str(certificate),
        "TIDELOCK_TEST_MARIADB_DATA": str(folder / "primary"),
    }
