package inventory

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"ctys/primitives"
)

// DataText writes plain data (nil, bool, float64, string, []any and
// map[string]any, as JSON has them) as a Lua expression that Parse and ParseSite
// read back as the same. Keys are in their order. Kind invalid for anything else.
func DataText(value any) (string, error) {
	switch v := value.(type) {
	case nil:
		return "nil", nil
	case bool:
		return strconv.FormatBool(v), nil
	case float64:
		return numberText(v), nil
	case string:
		return quoted(v), nil
	case []any:
		return constructorText(len(v), func(i int) (string, any) { return "", v[i] })
	case map[string]any:
		keys := slices.Sorted(maps.Keys(v))
		return constructorText(len(keys), func(i int) (string, any) { return keyText(keys[i]) + " = ", v[keys[i]] })
	}
	return "", primitives.Errorf(primitives.Invalid, "inventory", "", "%v is no data that Lua can write down", value)
}

// constructorText writes a table of n fields.
func constructorText(n int, field func(i int) (key string, value any)) (string, error) {
	fields := make([]string, n)
	for i := range fields {
		key, value := field(i)
		text, err := DataText(value)
		if err != nil {
			return "", err
		}
		fields[i] = key + text
	}
	return "{ " + strings.Join(fields, ", ") + " }", nil
}
