"""The migration, which makes the table that the web application reads."""

import os
import sqlite3

with sqlite3.connect(os.environ.get("DATABASE", "app.db")) as database:
    database.execute("create table if not exists greeting (word text)")
    database.execute("insert into greeting values ('hello')")
print("migrated")
