package lab_test

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/holdfast/holdfast/internal/lab"
)

func text(s string) types.AttributeValue { return &types.AttributeValueMemberS{Value: s} }

func getItem(id string) *dynamodb.GetItemInput {
	return &dynamodb.GetItemInput{TableName: aws.String(table), Key: map[string]types.AttributeValue{"LockID": text(id)},
		ProjectionExpression: aws.String("LockID, Info"), ConsistentRead: aws.Bool(true)}
}

func putItem(id, info string) *dynamodb.PutItemInput {
	return &dynamodb.PutItemInput{TableName: aws.String(table), Item: map[string]types.AttributeValue{"LockID": text(id), "Info": text(info), "Extra": text("x")}}
}

// The calls of OpenTofu's backend, in its order.
func TestDynamoDBLock(t *testing.T) {
	f := start(t, lab.Options{})
	c := f.dynamodb(f.ci())
	lock := putItem("b/k", "one")
	lock.ConditionExpression = aws.String("attribute_not_exists(LockID)")
	if _, err := c.PutItem(t.Context(), lock); err != nil {
		t.Fatal(err)
	}
	_, err := c.PutItem(t.Context(), lock)
	refused(t, err, "ConditionalCheckFailedException", 400, "The conditional request failed")
	got, err := c.GetItem(t.Context(), getItem("b/k"))
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Item) != 2 || got.Item["Info"].(*types.AttributeValueMemberS).Value != "one" {
		t.Errorf("got %v", got.Item)
	}
	unlock := &dynamodb.DeleteItemInput{TableName: aws.String(table), Key: map[string]types.AttributeValue{"LockID": text("b/k")},
		ConditionExpression: aws.String("Info = :info"), ExpressionAttributeValues: map[string]types.AttributeValue{":info": text("two")}}
	_, err = c.DeleteItem(t.Context(), unlock)
	refused(t, err, "ConditionalCheckFailedException", 400, "")
	unlock.ExpressionAttributeValues[":info"] = text("one")
	if _, err := c.DeleteItem(t.Context(), unlock); err != nil {
		t.Fatal(err)
	}
	got, err = c.GetItem(t.Context(), getItem("b/k"))
	if err != nil || len(got.Item) != 0 {
		t.Errorf("after the delete: %v, %v", got.Item, err)
	}
}

func TestDynamoDBConditions(t *testing.T) {
	f := start(t, lab.Options{})
	c := f.dynamodb(f.admin())
	if _, err := c.PutItem(t.Context(), putItem("id", "info")); err != nil {
		t.Fatal(err)
	}
	names := map[string]string{"#i": "Info"}
	values := map[string]types.AttributeValue{":v": text("info")}
	for expression, holds := range map[string]bool{
		"attribute_exists(#i) AND #i = :v":                         true,
		"NOT (#i = :v)":                                            false,
		"#i <> :v OR attribute_exists(LockID)":                     true,
		"#i <> :v or not attribute_exists(LockID)":                 false,
		"attribute_not_exists(None) and (:v = #i)":                 true,
		"None = :v OR None <> #i AND #i = :v":                      true,
		"(#i = :v AND (attribute_not_exists(#i) OR #i = Missing))": false,
	} {
		in := putItem("id", "info")
		in.ConditionExpression, in.ExpressionAttributeNames = aws.String(expression), names
		if strings.Contains(expression, ":v") {
			in.ExpressionAttributeValues = values
		}
		_, err := c.PutItem(t.Context(), in)
		if holds && err != nil {
			t.Errorf("%s: %v", expression, err)
		}
		if !holds {
			refused(t, err, "ConditionalCheckFailedException", 400, "")
		}
	}
	for expression, want := range map[string][3]string{
		"#i = ":                {"ValidationException", "400", "Syntax error"},
		"#i = :v)":             {"ValidationException", "400", "Syntax error"},
		"#i = :w":              {"ValidationException", "400", "not defined; attribute value: :w"},
		"#j = :v":              {"ValidationException", "400", "not defined; attribute name: #j"},
		"Info = :v":            {"ValidationException", "400", "ExpressionAttributeNames unused in expressions: keys: {#i}"},
		"#i > :v":              {"HoldfastLabUnsupported", "501", "> in an expression"},
		"begins_with(#i, :v)":  {"HoldfastLabUnsupported", "501", "begins_with"},
		"#i.x = :v":            {"HoldfastLabUnsupported", "501", "document paths"},
		"#i IN (:v)":           {"HoldfastLabUnsupported", "501", "IN"},
		"#i BETWEEN :v AND :v": {"HoldfastLabUnsupported", "501", "BETWEEN"},
	} {
		in := putItem("id", "info")
		in.ConditionExpression, in.ExpressionAttributeNames, in.ExpressionAttributeValues = aws.String(expression), names, values
		_, err := c.PutItem(t.Context(), in)
		status := 400
		if want[1] == "501" {
			status = 501
		}
		refused(t, err, want[0], status, want[2])
	}
}

func TestDynamoDBTables(t *testing.T) {
	f := start(t, lab.Options{})
	c := f.dynamodb(f.admin())
	create := &dynamodb.CreateTableInput{TableName: aws.String("other"), BillingMode: types.BillingModePayPerRequest,
		AttributeDefinitions: []types.AttributeDefinition{{AttributeName: aws.String("ID"), AttributeType: types.ScalarAttributeTypeN}},
		KeySchema:            []types.KeySchemaElement{{AttributeName: aws.String("ID"), KeyType: types.KeyTypeHash}}}
	if _, err := c.CreateTable(t.Context(), create); err != nil {
		t.Fatal(err)
	}
	_, err := c.CreateTable(t.Context(), create)
	refused(t, err, "ResourceInUseException", 400, "Table already exists: other")
	d, err := c.DescribeTable(t.Context(), &dynamodb.DescribeTableInput{TableName: aws.String("other")})
	if err != nil || d.Table.TableStatus != types.TableStatusActive || *d.Table.KeySchema[0].AttributeName != "ID" {
		t.Errorf("%+v, %v", d, err)
	}
	list, err := c.ListTables(t.Context(), &dynamodb.ListTablesInput{Limit: aws.Int32(1)})
	if err != nil || len(list.TableNames) != 1 || *list.LastEvaluatedTableName != table {
		t.Errorf("%+v, %v", list, err)
	}
	for _, id := range []string{"1", "2", "3"} {
		if _, err := c.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: aws.String("other"),
			Item: map[string]types.AttributeValue{"ID": &types.AttributeValueMemberN{Value: id}, "odd": &types.AttributeValueMemberBOOL{Value: id != "2"}}}); err != nil {
			t.Fatal(err)
		}
	}
	pages := dynamodb.NewScanPaginator(c, &dynamodb.ScanInput{TableName: aws.String("other"), Limit: aws.Int32(2), FilterExpression: aws.String("odd = :t"),
		ExpressionAttributeValues: map[string]types.AttributeValue{":t": &types.AttributeValueMemberBOOL{Value: true}}})
	found := 0
	for pages.HasMorePages() {
		page, err := pages.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		found += len(page.Items)
	}
	if found != 2 {
		t.Errorf("scan found %d, want 2", found)
	}
	if _, err := c.DeleteTable(t.Context(), &dynamodb.DeleteTableInput{TableName: aws.String("other")}); err != nil {
		t.Error(err)
	}
	_, err = c.DescribeTable(t.Context(), &dynamodb.DescribeTableInput{TableName: aws.String("other")})
	refused(t, err, "ResourceNotFoundException", 400, "Requested resource not found: Table: other not found")
}

func TestDynamoDBRefuses(t *testing.T) {
	f := start(t, lab.Options{})
	c := f.dynamodb(f.admin())
	in := getItem("x")
	in.TableName = aws.String("none")
	_, err := c.GetItem(t.Context(), in)
	refused(t, err, "ResourceNotFoundException", 400, "Requested resource not found")
	in = getItem("x")
	in.Key = map[string]types.AttributeValue{"Other": text("x")}
	_, err = c.GetItem(t.Context(), in)
	refused(t, err, "ValidationException", 400, "The provided key element does not match the schema")
	_, err = c.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: aws.String(table), Item: map[string]types.AttributeValue{"Info": text("x")}})
	refused(t, err, "ValidationException", 400, "Missing the key LockID in the item")
	_, err = c.UpdateItem(t.Context(), &dynamodb.UpdateItemInput{TableName: aws.String(table), Key: map[string]types.AttributeValue{"LockID": text("x")}})
	refused(t, err, "HoldfastLabUnsupported", 501, "dynamodb:UpdateItem")
	in = getItem("x")
	in.ReturnConsumedCapacity = types.ReturnConsumedCapacityTotal
	_, err = c.GetItem(t.Context(), in)
	refused(t, err, "HoldfastLabUnsupported", 501, "ReturnConsumedCapacity")
}
