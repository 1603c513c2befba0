"""SQL reads the store and nothing else, and never writes (S-02, S-25)."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from runfolio.errors import ConfigError
from runfolio.query.store import Folio, open_folio


@pytest.fixture
def folio(store, write) -> Folio:
    write("a", points={"loss": [3.0, 1.0]})
    return open_folio(store)


def tree(folder: Path) -> dict[str, str]:
    """Return the digest of every file below a folder."""
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    "statement",
    [
        "COPY (SELECT 1) TO '{store}/x'",
        "COPY (SELECT 1) TO '{store}/x.parquet' (FORMAT parquet)",
        "COPY runs TO '/dev/null'",
        "EXPLAIN ANALYZE COPY (SELECT 1) TO '{store}/x'",
        "EXPLAIN COPY (SELECT 1) TO '{store}/x'",
        "explain (analyze) COPY (SELECT 1) TO '{store}/x'",
        "/* SELECT */ EXPLAIN ANALYZE COPY (SELECT 1) TO '{store}/x'",
        "EXPLAIN /* SELECT 1 */ ANALYZE COPY (SELECT 1) TO '{store}/x'",
        "EXPLAIN -- SELECT 1\nANALYZE COPY (SELECT 1) TO '{store}/x'",
        "SELECT 1; COPY (SELECT 1) TO '{store}/x'",
        "EXPLAIN SELECT 1; COPY (SELECT 1) TO '{store}/x'",
        "WITH a AS (SELECT 1) COPY a TO '{store}/x'",
        "ATTACH '{store}/x.db'",
        "ATTACH '{store}/x.db' AS other; CREATE TABLE other.t AS SELECT 1",
        "EXPORT DATABASE '{store}/x'",
        "IMPORT DATABASE '{store}/x'",
        "INSTALL httpfs",
        "LOAD httpfs",
        "FORCE INSTALL httpfs FROM 'http://127.0.0.1:1'",
        "CREATE TABLE t AS SELECT 1",
        "CREATE OR REPLACE VIEW runs AS SELECT 1",
        "CREATE SECRET s (TYPE s3)",
        "DROP VIEW points",
        "INSERT INTO runs SELECT * FROM runs",
        "DELETE FROM runs",
        "SET enable_external_access = true",
        "SET VARIABLE a = 1",
        "RESET lock_configuration",
        "PRAGMA database_list",
        "CALL pragma_version()",
        "PREPARE p AS COPY (SELECT 1) TO '{store}/x'",
        "BEGIN",
        "CHECKPOINT",
        "VACUUM",
        "USE memory",
        "",
        "-- nothing",
    ],
)
def test_everything_but_one_select_is_refused(folio: Folio, store: Path, statement: str):
    before = tree(store)
    with pytest.raises(ConfigError):
        folio.sql(statement.format(store=store))
    assert tree(store) == before


@pytest.mark.parametrize("statement", ["DROP TABLE runs", "DROP all of it", "delete everything", "INSERT"])
def test_refused_statement_is_answered_with_what_is_allowed(folio: Folio, statement: str):
    with pytest.raises(ConfigError, match="only one SELECT or EXPLAIN SELECT is allowed"):
        folio.sql(statement)


def test_mistake_in_a_select_is_not_called_forbidden(folio: Folio):
    with pytest.raises(ConfigError, match=r"^the SQL cannot be run: ") as caught:
        folio.sql("SELECT * FORM runs")
    assert "allowed" not in str(caught.value)


@pytest.mark.parametrize(
    "source",
    [
        "read_text('/etc/passwd')",
        "read_text('{store}/../secret.txt')",
        "read_text('{store}/../../../../../../../etc/passwd')",
        "read_text('file:///etc/passwd')",
        "read_text('{store}-other/secret.txt')",
        "read_text('{store}/link')",
        "read_blob('{store}/folder-link/secret.txt')",
        "read_csv('http://127.0.0.1:1/x')",
        "read_parquet('s3://bucket/x')",
        "glob('{store}/../*')",
        "glob('/etc/*')",
        "sniff_csv('/etc/passwd')",
        "parquet_metadata('/etc/passwd')",
        "'/etc/passwd'",
        "query('COPY (SELECT 1) TO ''{store}/x''')",
        "secret_of_the_caller",
    ],
)
def test_nothing_outside_of_the_store_can_be_read(folio: Folio, store: Path, source: str):
    secret_of_the_caller = folio.runs().to_arrow()  # a variable that DuckDB would find
    other = Path(f"{store}-other")
    other.mkdir()
    for path in (other / "secret.txt", store.parent / "secret.txt"):
        path.write_text("secret")
    (store / "link").symlink_to(store.parent / "secret.txt")
    (store / "folder-link").symlink_to(other)

    with pytest.raises(ConfigError):
        folio.sql(f"SELECT * FROM {source.format(store=store)}")
    assert secret_of_the_caller.num_rows == 1
    assert not (store / "x").exists()


def test_link_in_the_place_of_a_segment_is_not_followed(folio: Folio, store: Path, tmp_path: Path):
    (segment,) = (folio.run("a").folder / "metrics").glob("segment-*.parquet")
    segment.rename(tmp_path / "elsewhere.parquet")
    segment.symlink_to(tmp_path / "elsewhere.parquet")

    assert folio.sql("SELECT count(*) AS n FROM points").to_arrow()["n"].to_pylist() == [0]


def test_metric_names_that_look_like_sql_are_data(store, write):
    name = "x'; DROP VIEW runs; --"
    write("a'); COPY runs TO 'x", points={name: [1.0]})
    result = open_folio(store).sql("SELECT metric FROM points").to_arrow()

    assert name in result["metric"].to_pylist()
