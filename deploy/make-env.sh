#!/bin/sh
# Make .env from .env.example if there is none, and fill in every secret that is still empty. Changes no value.
set -eu
cd "$(dirname "$0")/.."
umask 077
[ -e .env ] || cp .env.example .env
for name in $(sed -n 's/^\([A-Z_]*\)=$/\1/p' .env); do
  case "$name" in
    AIRFLOW_FERNET_KEY) value=$(openssl rand -base64 32 | tr '+/' '-_') ;;
    *) value=$(openssl rand -hex 24) ;;
  esac
  sed "s|^$name=\$|$name=$value|" .env > .env.new
  mv .env.new .env
  echo "made $name"
done
