"""Objects of Kubernetes against the types of its API, strictly: a field that the
API server would drop or refuse is a fault, and so is a kind that it does not serve."""
import difflib
import re

SCALARS = {"str": str, "bool": bool, "float": (int, float), "datetime": str}
PART = re.compile(r"(list\[|dict\(str, )(.+)[\])]$")


def _near(name, known):
    close = difflib.get_close_matches(name, known, 1)
    return f"; did you mean '{close[0]}'?" if close else ""


def _is_int(value):
    return isinstance(value, int) and not isinstance(value, bool)


def complaints(thing, tables):
    """What is wrong with one object."""
    name = f"{thing.get('apiVersion')} {thing.get('kind')}"
    if name in tables["kinds"]:
        yield from _typed(thing, tables["kinds"][name], "", tables["classes"])
    elif name in tables["custom"]:
        schema = tables["custom"][name]
        plain = {"apiVersion": {}, "kind": {}, "metadata": {}}
        schema = {**schema, "properties": {**schema["properties"], **plain}}
        yield from _schema(thing, schema, "")
        yield from _typed(thing.get("metadata"), "V1ObjectMeta", ".metadata",
                          tables["classes"])
    else:
        kinds = [*tables["kinds"], *tables["custom"]]
        yield f"no API has {name}{_near(name, kinds)}"


def _typed(value, kind, at, classes):
    """`value` against a type of the Kubernetes client: V1Pod, list[str], int, ..."""
    part = PART.match(kind)
    if kind in classes:
        yield from _fields(value, classes[kind], at, classes)
    elif part and part[1] == "list[":
        if not isinstance(value, list):
            yield f"{at}: not a list"
            return
        for index, one in enumerate(value):
            yield from _typed(one, part[2], f"{at}[{index}]", classes)
    elif part:
        if not isinstance(value, dict):
            yield f"{at}: not a map"
            return
        for key, one in value.items():
            # Quantities (cpu: 2) may be numbers, labels and data may not.
            if not (at.endswith((".limits", ".requests")) and _is_int(one)):
                yield from _typed(one, part[2], f"{at}.{key}", classes)
    elif kind == "int":
        if not _is_int(value):
            yield f"{at}: {value!r} is not an integer"
    elif kind in SCALARS:
        if not isinstance(value, SCALARS[kind]):
            yield f"{at}: {value!r} is not a {kind}"
    elif kind != "object":
        yield f"{at}: a type that is not known: {kind}"


def _fields(value, fields, at, classes):
    if not isinstance(value, dict):
        yield f"{at}: not an object"
        return
    for key, one in value.items():
        if key not in fields:
            yield f"{at}.{key}: there is no such field{_near(key, fields)}"
        elif one is None:
            yield f"{at}.{key}: is empty"
        else:
            yield from _typed(one, fields[key][0], f"{at}.{key}", classes)
    for key, (_, required) in fields.items():
        if required and key not in value:
            yield f"{at}.{key}: is missing"


def _schema(value, schema, at):
    """`value` against an openAPIV3Schema, pruning taken for a fault."""
    kind = schema.get("type")
    if schema.get("x-kubernetes-int-or-string"):
        if not (_is_int(value) or isinstance(value, str)):
            yield f"{at}: {value!r} is neither a number nor text"
    elif kind == "object" or "properties" in schema:
        yield from _object(value, schema, at)
    elif kind == "array":
        yield from _array(value, schema, at)
    elif kind:
        good = {"string": isinstance(value, str), "integer": _is_int(value),
                "boolean": isinstance(value, bool),
                "number": isinstance(value, (int, float))}[kind]
        if not good:
            yield f"{at}: {value!r} is not of type {kind}"
            return
    yield from _value(value, schema, at)


def _value(value, schema, at):
    if "enum" in schema and value not in schema["enum"]:
        yield f"{at}: {value!r} is none of {', '.join(map(str, schema['enum']))}"
    if "pattern" in schema and isinstance(value, str) and \
            not re.search(schema["pattern"], value):
        yield f"{at}: {value!r} does not match {schema['pattern']}"
    if _is_int(value):
        if value < schema.get("minimum", value) or value > schema.get("maximum", value):
            yield f"{at}: {value} is out of range"


def _array(value, schema, at):
    if not isinstance(value, list):
        yield f"{at}: not a list"
        return
    for index, one in enumerate(value):
        yield from _schema(one, schema.get("items", {}), f"{at}[{index}]")


def _object(value, schema, at):
    if not isinstance(value, dict):
        yield f"{at}: not an object"
        return
    properties, rest = schema.get("properties", {}), schema.get("additionalProperties")
    for key, one in value.items():
        if key in properties:
            yield from _schema(one, properties[key], f"{at}.{key}")
        elif isinstance(rest, dict):
            yield from _schema(one, rest, f"{at}.{key}")
        elif not rest and not schema.get("x-kubernetes-preserve-unknown-fields"):
            yield f"{at}.{key}: there is no such field{_near(key, properties)}"
    for key in schema.get("required", []):
        if key not in value:
            yield f"{at}.{key}: is missing"
