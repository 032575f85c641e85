package dynamo

import (
	"encoding/base64"
	"encoding/json"
	"maps"
	"math/big"
	"net/http"
	"reflect"
	"slices"

	"github.com/holdfast/holdfast/internal/lab/wire"
)

// item is a row; each value is one attribute value: {"S": "text"}.
type item map[string]value

type value map[string]any

func kinds() []string {
	return []string{"S", "N", "B", "BOOL", "NULL", "M", "L", "SS", "NS", "BS"}
}

func (v value) kind() string {
	for k := range v {
		return k
	}
	return ""
}

// check refuses what isn't an attribute value.
func (v value) check() error {
	if len(v) == 0 {
		return invalid("Supplied AttributeValue is empty, must contain exactly one of the supported datatypes")
	}
	if len(v) > 1 {
		return invalid("Supplied AttributeValue has more than one datatypes set, must contain exactly one of the supported datatypes")
	}
	kind := v.kind()
	if !slices.Contains(kinds(), kind) {
		return wire.Unsupported("the attribute type " + kind)
	}
	text, isText := v[kind].(string)
	switch kind {
	case "S", "N", "B":
		if !isText {
			return invalid("The parameter cannot be converted to a " + kind + " value")
		}
	}
	if kind == "N" {
		if _, ok := new(big.Rat).SetString(text); !ok {
			return invalid("The parameter cannot be converted to a numeric value: " + text)
		}
	}
	if kind == "B" {
		if _, err := base64.StdEncoding.DecodeString(text); err != nil {
			return invalid("The parameter cannot be converted to a binary value")
		}
	}
	return nil
}

func (v value) equal(w value) bool {
	if v.kind() == "N" && w.kind() == "N" {
		a, okA := new(big.Rat).SetString(v["N"].(string))
		b, okB := new(big.Rat).SetString(w["N"].(string))
		return okA && okB && a.Cmp(b) == 0
	}
	return reflect.DeepEqual(v, w)
}

// key is the canonical text of an item's hash key.
func (t *table) key(of item, wanted string) (string, error) {
	v, ok := of[t.hashKey]
	switch {
	case !ok && wanted == "item":
		return "", invalid("One or more parameter values were invalid: Missing the key " + t.hashKey + " in the item")
	case !ok || wanted == "key" && len(of) != 1:
		return "", invalid("The provided key element does not match the schema")
	}
	if err := v.check(); err != nil {
		return "", err
	}
	if v.kind() != t.keyType {
		if wanted == "key" {
			return "", invalid("The provided key element does not match the schema")
		}
		return "", invalid("One or more parameter values were invalid: Type mismatch for key " + t.hashKey + " expected: " + t.keyType + " actual: " + v.kind())
	}
	text := v[t.keyType].(string)
	if text == "" {
		return "", invalid("One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an empty string value. Key: " + t.hashKey)
	}
	if t.keyType == "N" {
		n, _ := new(big.Rat).SetString(text)
		text = n.RatString()
	}
	return text, nil
}

type readInput struct {
	TableName                string
	Key                      item
	ConsistentRead           bool
	ProjectionExpression     string
	ExpressionAttributeNames map[string]string
}

func getItem(tables map[string]*table, body []byte) (any, error) {
	var in readInput
	if err := decode(body, &in); err != nil {
		return nil, err
	}
	t, err := find(tables, in.TableName)
	if err != nil {
		return nil, err
	}
	key, err := t.key(in.Key, "key")
	if err != nil {
		return nil, err
	}
	e := &expression{names: in.ExpressionAttributeNames, what: "ProjectionExpression"}
	paths, err := e.projection(in.ProjectionExpression)
	if err == nil {
		err = e.unused()
	}
	if err != nil {
		return nil, err
	}
	found, ok := t.items[key]
	if !ok {
		return map[string]any{}, nil
	}
	return map[string]any{"Item": found.project(paths)}, nil
}

func (i item) project(paths []string) item {
	if paths == nil {
		return i
	}
	out := item{}
	for _, p := range paths {
		if v, ok := i[p]; ok {
			out[p] = v
		}
	}
	return out
}

type writeInput struct {
	TableName                           string
	Item                                item // PutItem
	Key                                 item // DeleteItem
	ConditionExpression                 string
	ExpressionAttributeNames            map[string]string
	ExpressionAttributeValues           map[string]value
	ReturnValues                        string
	ReturnValuesOnConditionCheckFailure string
}

func putItem(tables map[string]*table, body []byte) (any, error) {
	return write(tables, body, func(in writeInput) (item, string) { return in.Item, "item" })
}

func deleteItem(tables map[string]*table, body []byte) (any, error) {
	return write(tables, body, func(in writeInput) (item, string) { return in.Key, "key" })
}

func write(tables map[string]*table, body []byte, target func(writeInput) (item, string)) (any, error) {
	var in writeInput
	if err := decode(body, &in); err != nil {
		return nil, err
	}
	t, err := find(tables, in.TableName)
	if err != nil {
		return nil, err
	}
	row, wanted := target(in)
	key, err := t.key(row, wanted)
	if err != nil {
		return nil, err
	}
	for _, v := range row {
		if err := v.check(); err != nil {
			return nil, err
		}
	}
	if b, _ := json.Marshal(row); len(b) > maxItem {
		return nil, invalid("Item size has exceeded the maximum allowed size")
	}
	for _, v := range []string{in.ReturnValues, in.ReturnValuesOnConditionCheckFailure} {
		if v != "" && v != "NONE" && v != "ALL_OLD" {
			return nil, invalid("ReturnValues can only be ALL_OLD or NONE")
		}
	}
	old, existed := t.items[key]
	if err := allowed(in, old); err != nil {
		return nil, err
	}
	if wanted == "item" {
		t.items[key] = maps.Clone(row)
	} else {
		delete(t.items, key)
	}
	if existed && in.ReturnValues == "ALL_OLD" {
		return map[string]any{"Attributes": old}, nil
	}
	return map[string]any{}, nil
}

func allowed(in writeInput, old item) error {
	e := &expression{names: in.ExpressionAttributeNames, values: in.ExpressionAttributeValues, what: "ConditionExpression"}
	holds, err := e.condition(in.ConditionExpression)
	if err == nil {
		err = e.unused()
	}
	if err != nil {
		return err
	}
	if holds(old) {
		return nil
	}
	refusal := wire.Refuse(http.StatusBadRequest, "ConditionalCheckFailedException", "The conditional request failed")
	if in.ReturnValuesOnConditionCheckFailure == "ALL_OLD" && old != nil {
		refusal.Detail = map[string]any{"Item": old}
	}
	return refusal
}

func scan(tables map[string]*table, body []byte) (any, error) {
	var in struct {
		TableName                 string
		ConsistentRead            bool
		Limit                     int
		ExclusiveStartKey         item
		FilterExpression          string
		ProjectionExpression      string
		ExpressionAttributeNames  map[string]string
		ExpressionAttributeValues map[string]value
	}
	if err := decode(body, &in); err != nil {
		return nil, err
	}
	t, err := find(tables, in.TableName)
	if err != nil {
		return nil, err
	}
	e := &expression{names: in.ExpressionAttributeNames, values: in.ExpressionAttributeValues, what: "FilterExpression"}
	holds, err := e.condition(in.FilterExpression)
	if err != nil {
		return nil, err
	}
	e.what = "ProjectionExpression"
	paths, err := e.projection(in.ProjectionExpression)
	if err == nil {
		err = e.unused()
	}
	if err != nil {
		return nil, err
	}
	after := ""
	if in.ExclusiveStartKey != nil {
		if after, err = t.key(in.ExclusiveStartKey, "key"); err != nil {
			return nil, err
		}
	}
	out, found, scanned := map[string]any{}, []item{}, 0
	for _, key := range slices.Sorted(maps.Keys(t.items)) {
		if key <= after && after != "" {
			continue
		}
		row := t.items[key]
		scanned++
		if holds(row) {
			found = append(found, row.project(paths))
		}
		if scanned == in.Limit {
			out["LastEvaluatedKey"] = item{t.hashKey: row[t.hashKey]}
			break
		}
	}
	out["Items"], out["Count"], out["ScannedCount"] = found, len(found), scanned
	return out, nil
}
