import json
import sys

with open(sys.argv[sys.argv.index("--inputs-json") + 1], encoding="utf-8") as file:
    values = json.load(file)["r"]
with open(sys.argv[sys.argv.index("--outputs-json") + 1], "w", encoding="utf-8") as file:
    json.dump({"sum": sum(values)}, file)
