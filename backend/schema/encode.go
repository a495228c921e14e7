package schema

import (
	"fmt"
	"reflect"
)

// Encode is the inverse of Decode: the settings that differ from their defaults, as a document holds
// them. Decode(Encode(x)) is x, with empty lists nil.
func Encode(settings any) map[string]any { return encode(structOf(settings)) }

func encode(v reflect.Value) map[string]any {
	specs := specsOf(v.Type())
	fresh := reflect.New(v.Type()).Elem()
	setDefaults(fresh, specs)
	out := map[string]any{}
	for _, s := range specs {
		f, def := v.FieldByIndex(s.index), fresh.FieldByIndex(s.index)
		bothEmpty := f.Kind() == reflect.Slice && f.Len() == 0 && def.Len() == 0
		if bothEmpty || reflect.DeepEqual(f.Interface(), def.Interface()) {
			continue
		}
		out[s.Name] = written(s, f)
	}
	return out
}

func written(s spec, f reflect.Value) any {
	switch s.Kind {
	case Bool:
		return f.Bool()
	case Int:
		if f.CanUint() {
			return int64(f.Uint())
		}
		return f.Int()
	case Float:
		return f.Float()
	case DurationKind, SizeKind:
		return fmt.Sprint(f.Interface())
	case List:
		items := make([]any, f.Len())
		for i := range items {
			items[i] = f.Index(i).String()
		}
		return items
	case Pairs, Tables:
		items := make([]any, f.Len())
		for i := range items {
			items[i] = encode(f.Index(i))
		}
		return items
	}
	return f.String()
}
