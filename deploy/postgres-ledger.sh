#!/bin/bash
# Run once by the postgres image when its volume is new: the ledger's own role and database beside Airflow's.
set -euo pipefail
psql --set ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" --set password="$PQL_DB_PASSWORD" <<'SQL'
CREATE ROLE pql LOGIN PASSWORD :'password';
CREATE DATABASE pql OWNER pql;
REVOKE CONNECT ON DATABASE pql FROM PUBLIC;
SQL
