// Package dynamo (lab) is DynamoDB as far as a lock table needs it: tables with
// a hash key, single items, conditions, and a whole-table scan.
//
// It promises that a condition is really evaluated, atomically with the write,
// and that an expression or a parameter that it doesn't know is refused.
//
// It has no sort keys, indexes, updates, queries, batches or transactions,
// keeps everything in memory, doesn't know the list of reserved words, and its
// tables are the same in every region.
package dynamo

import (
	"bytes"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/holdfast/holdfast/internal/lab/wire"
)

// Namespace is the Smithy namespace of DynamoDB's own errors.
const Namespace = "com.amazonaws.dynamodb.v20120810"

// TargetPrefix stands before the operation in X-Amz-Target.
const TargetPrefix = "DynamoDB_20120810."

// maxItem is the limit of an item, 400 KB.
const maxItem = 400 << 10

// Store is safe for concurrent use.
type Store struct {
	Region string

	mu     sync.Mutex
	tables map[string]map[string]*table // account, name
}

type table struct {
	name    string
	arn     string
	hashKey string
	keyType string // S, N or B
	created time.Time
	items   map[string]item // by the key's canonical text
}

// NewStore returns a store without tables.
func NewStore(region string) *Store {
	return &Store{Region: region, tables: map[string]map[string]*table{}}
}

// AddTable creates a table with a string hash key; false if there is one of
// that name.
func (s *Store) AddTable(account, name, hashKey string, now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.tables[account][name] != nil {
		return false
	}
	s.add(account, &table{name: name, hashKey: hashKey, keyType: "S", created: now})
	return true
}

// ValidName is DynamoDB's rule for table names.
func ValidName(name string) bool {
	return regexp.MustCompile(`^[a-zA-Z0-9_.-]{3,255}$`).MatchString(name)
}

func (s *Store) add(account string, t *table) {
	if s.tables[account] == nil {
		s.tables[account] = map[string]*table{}
	}
	t.arn = s.ARN(account, t.name)
	t.items = map[string]item{}
	s.tables[account][t.name] = t
}

// ARN names a table.
func (s *Store) ARN(account, name string) string {
	return "arn:aws:dynamodb:" + s.Region + ":" + account + ":table/" + name
}

// TableOf reads the table's name from a request, for the call log and for
// session policies.
func TableOf(body []byte) string {
	var in struct{ TableName string }
	_ = json.Unmarshal(body, &in) // a body that is no JSON is refused later
	return in.TableName
}

// Handle answers one operation of an account.
func (s *Store) Handle(r *wire.Request, account string) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	tables := s.tables[account]
	switch r.Operation {
	case "GetItem":
		return getItem(tables, r.Body)
	case "PutItem":
		return putItem(tables, r.Body)
	case "DeleteItem":
		return deleteItem(tables, r.Body)
	case "Scan":
		return scan(tables, r.Body)
	case "DescribeTable":
		return describeTable(tables, r.Body)
	case "ListTables":
		return listTables(tables, r.Body)
	case "CreateTable":
		return s.createTable(account, r.Body, r.Now)
	case "DeleteTable":
		return s.deleteTable(account, r.Body)
	}
	return nil, wire.Unsupported("dynamodb:" + r.Operation)
}

// decode refuses members that the operation doesn't know.
func decode(body []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	err := d.Decode(into)
	switch {
	case err == nil:
		return nil
	case strings.Contains(err.Error(), "unknown field"):
		return wire.Unsupported("dynamodb: " + err.Error())
	}
	return &wire.Error{Status: http.StatusBadRequest, Code: "SerializationException", Message: err.Error(), Namespace: "com.amazon.coral.service"}
}

func invalid(message string) error {
	return &wire.Error{Status: http.StatusBadRequest, Code: "ValidationException", Message: message, Namespace: "com.amazon.coral.validate"}
}

func find(tables map[string]*table, name string) (*table, error) {
	if name == "" {
		return nil, invalid("1 validation error detected: Value null at 'tableName' failed to satisfy constraint: Member must not be null")
	}
	if strings.HasPrefix(name, "arn:") {
		name = name[strings.LastIndex(name, "/")+1:]
	}
	t := tables[name]
	if t == nil {
		return nil, wire.Refuse(http.StatusBadRequest, "ResourceNotFoundException", "Requested resource not found")
	}
	return t, nil
}

type attribute struct{ AttributeName, AttributeType string }

type keyElement struct{ AttributeName, KeyType string }

func (t *table) description(status string) map[string]any {
	return map[string]any{
		"TableName":             t.name,
		"TableArn":              t.arn,
		"TableStatus":           status,
		"CreationDateTime":      float64(t.created.Unix()),
		"ItemCount":             len(t.items),
		"TableSizeBytes":        0,
		"AttributeDefinitions":  []attribute{{t.hashKey, t.keyType}},
		"KeySchema":             []keyElement{{t.hashKey, "HASH"}},
		"BillingModeSummary":    map[string]any{"BillingMode": "PAY_PER_REQUEST"},
		"ProvisionedThroughput": map[string]any{"ReadCapacityUnits": 0, "WriteCapacityUnits": 0, "NumberOfDecreasesToday": 0},
	}
}

func describeTable(tables map[string]*table, body []byte) (any, error) {
	var in struct{ TableName string }
	if err := decode(body, &in); err != nil {
		return nil, err
	}
	t, err := find(tables, in.TableName)
	var missing *wire.Error
	if errors.As(err, &missing) && missing.Code == "ResourceNotFoundException" {
		missing.Message = "Requested resource not found: Table: " + in.TableName + " not found"
	}
	if err != nil {
		return nil, err
	}
	return map[string]any{"Table": t.description("ACTIVE")}, nil
}

func listTables(tables map[string]*table, body []byte) (any, error) {
	in := struct {
		ExclusiveStartTableName string
		Limit                   int
	}{Limit: 100}
	if err := decode(body, &in); err != nil {
		return nil, err
	}
	if in.Limit < 1 || in.Limit > 100 {
		return nil, invalid("1 validation error detected: Value at 'limit' failed to satisfy constraint: Member must have value between 1 and 100")
	}
	names := slices.DeleteFunc(slices.Sorted(maps.Keys(tables)), func(n string) bool { return n <= in.ExclusiveStartTableName })
	out := map[string]any{}
	if len(names) > in.Limit {
		names = names[:in.Limit]
		out["LastEvaluatedTableName"] = names[in.Limit-1]
	}
	if names == nil {
		names = []string{}
	}
	out["TableNames"] = names
	return out, nil
}

func (s *Store) createTable(account string, body []byte, now time.Time) (any, error) {
	var in struct {
		TableName             string
		AttributeDefinitions  []attribute
		KeySchema             []keyElement
		BillingMode           string
		ProvisionedThroughput *struct{ ReadCapacityUnits, WriteCapacityUnits int }
	}
	if err := decode(body, &in); err != nil {
		return nil, err
	}
	if !ValidName(in.TableName) {
		return nil, invalid("1 validation error detected: Value '" + in.TableName + "' at 'tableName' failed to satisfy constraint: Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+")
	}
	if in.BillingMode != "PAY_PER_REQUEST" && in.ProvisionedThroughput == nil {
		return nil, invalid("One or more parameter values were invalid: ReadCapacityUnits and WriteCapacityUnits must both be specified when BillingMode is PROVISIONED")
	}
	if len(in.KeySchema) != 1 || in.KeySchema[0].KeyType != "HASH" || len(in.AttributeDefinitions) != 1 {
		return nil, wire.Unsupported("tables with more than a hash key")
	}
	key := in.AttributeDefinitions[0]
	if key.AttributeName != in.KeySchema[0].AttributeName || !slices.Contains([]string{"S", "N", "B"}, key.AttributeType) {
		return nil, invalid("One or more parameter values were invalid: Some index key attributes are not defined in AttributeDefinitions. Keys: [" + in.KeySchema[0].AttributeName + "], AttributeDefinitions: [" + key.AttributeName + "]")
	}
	if s.tables[account][in.TableName] != nil {
		return nil, wire.Refuse(http.StatusBadRequest, "ResourceInUseException", "Table already exists: "+in.TableName)
	}
	t := &table{name: in.TableName, hashKey: key.AttributeName, keyType: key.AttributeType, created: now}
	s.add(account, t)
	// The lab's tables are there at once; AWS says CREATING for some seconds.
	return map[string]any{"TableDescription": t.description("CREATING")}, nil
}

func (s *Store) deleteTable(account string, body []byte) (any, error) {
	var in struct{ TableName string }
	if err := decode(body, &in); err != nil {
		return nil, err
	}
	t, err := find(s.tables[account], in.TableName)
	if err != nil {
		return nil, err
	}
	delete(s.tables[account], t.name)
	return map[string]any{"TableDescription": t.description("DELETING")}, nil
}
