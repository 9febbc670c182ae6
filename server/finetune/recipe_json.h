#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "server/finetune/recipe.h"

namespace resnetd {

class JsonReader;
class JsonWriter;

// The members, for json_reader.h and json_writer.h. Of a request only what it
// says. What is read is of the right types; whether it is in its range,
// FindViolations() tells.
void ListFields(JsonWriter& fields, const Recipe& recipe);
void ListFields(JsonReader& fields, Recipe& recipe);
void ListFields(JsonWriter& fields, const RecipeRequest& request);
void ListFields(JsonReader& fields, RecipeRequest& request);

// Every member written out; enumerators by their upper-case names.
nlohmann::json RecipeToJson(const Recipe& recipe);

// SHA-256 of the canonical JSON of the recipe, as Sha256Hex() writes it: equal
// for equal recipes, on every machine and in every later version.
std::string ConfigHash(const Recipe& recipe);

}  // namespace resnetd
