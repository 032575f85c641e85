package statestore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	dynamo "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/holdfast/holdfast/internal/rescue"
	"github.com/holdfast/holdfast/internal/tf/state"
)

// digestSuffix is behind the key of the item that holds the digest.
const digestSuffix = "-md5"

func read(from io.Reader) ([]byte, error) { return io.ReadAll(io.LimitReader(from, largest)) }

func (s *Store) lookTable(ctx context.Context, r *rescue.Remote) (err error) {
	if r.Item, _, err = s.lockItem(ctx); err != nil {
		return err
	}
	item, err := s.item(ctx, s.at.LockID()+digestSuffix)
	if err != nil {
		return err
	}
	if digest, ok := item["Digest"].(*dynamo.AttributeValueMemberS); ok {
		r.Digest = digest.Value
	}
	return nil
}

// lockItem is the lock in the table, and its text as it stands there.
func (s *Store) lockItem(ctx context.Context) (*state.Lock, string, error) {
	item, err := s.item(ctx, s.at.LockID())
	if err != nil || len(item) == 0 {
		return nil, "", err
	}
	info, _ := item["Info"].(*dynamo.AttributeValueMemberS)
	if info == nil {
		return nil, "", fmt.Errorf("the item %s in %s has no Info", s.at.LockID(), s.at.Table)
	}
	lock, err := state.ParseLock([]byte(info.Value))
	if err != nil {
		return nil, "", fmt.Errorf("the item %s in %s: %w", s.at.LockID(), s.at.Table, err)
	}
	return &lock, info.Value, nil
}

func (s *Store) item(ctx context.Context, id string) (map[string]dynamo.AttributeValue, error) {
	out, err := s.tables.GetItem(ctx, &dynamodb.GetItemInput{
		TableName: &s.at.Table, Key: key(id), ConsistentRead: aws.Bool(true),
	})
	if err != nil {
		return nil, refusal("dynamodb:GetItem", s.at.Table, err)
	}
	return out.Item, nil
}

func key(id string) map[string]dynamo.AttributeValue {
	return map[string]dynamo.AttributeValue{"LockID": text(id)}
}

func text(value string) dynamo.AttributeValue { return &dynamo.AttributeValueMemberS{Value: value} }

// SetDigest implements rescue.Store.
func (s *Store) SetDigest(ctx context.Context, from, to string) error {
	_, err := s.tables.PutItem(ctx, &dynamodb.PutItemInput{
		TableName:                 &s.at.Table,
		Item:                      map[string]dynamo.AttributeValue{"LockID": text(s.at.LockID() + digestSuffix), "Digest": text(to)},
		ConditionExpression:       aws.String("Digest = :was"),
		ExpressionAttributeValues: map[string]dynamo.AttributeValue{":was": text(from)},
	})
	return conditional(refusal("dynamodb:PutItem", s.at.Table, err), err, "the digest isn't "+from+" any more")
}

// Take implements rescue.Store, in the backend's own order: the object, then
// the item.
func (s *Store) Take(ctx context.Context, lock state.Lock) error {
	lock.Path = s.at.LockID()
	info, err := json.Marshal(lock)
	if err != nil {
		return err
	}
	if s.at.Lockfile {
		if err := s.takeFile(ctx, info); err != nil {
			return err
		}
	}
	if s.tables == nil {
		return nil
	}
	_, err = s.tables.PutItem(ctx, &dynamodb.PutItemInput{
		TableName:           &s.at.Table,
		Item:                map[string]dynamo.AttributeValue{"LockID": text(s.at.LockID()), "Info": text(string(info))},
		ConditionExpression: aws.String("attribute_not_exists(LockID)"),
	})
	err = conditional(refusal("dynamodb:PutItem", s.at.Table, err), err, "somebody holds the lock")
	if err != nil && s.at.Lockfile {
		err = errors.Join(err, s.releaseFile(ctx, lock.ID))
	}
	return err
}

func (s *Store) takeFile(ctx context.Context, info []byte) error {
	where := "s3://" + s.at.Bucket + "/" + s.at.LockKey()
	in := &s3.PutObjectInput{
		Bucket: &s.at.Bucket, Key: aws.String(s.at.LockKey()), Body: strings.NewReader(string(info)),
		ContentType: aws.String("application/json"), IfNoneMatch: aws.String("*"),
	}
	if s.customerKey() {
		in.SSECustomerAlgorithm, in.SSECustomerKey, in.SSECustomerKeyMD5 = s.customer()
	}
	_, err := s.s3.PutObject(ctx, in)
	if status(err) == http.StatusPreconditionFailed {
		return errors.New("somebody holds the lock " + where)
	}
	return refusal("s3:PutObject", where, err)
}

// Release implements rescue.Store: both places, each only while it holds that
// lock. One that holds none is released already.
func (s *Store) Release(ctx context.Context, id string) error {
	if s.at.Lockfile {
		if err := s.releaseFile(ctx, id); err != nil {
			return err
		}
	}
	if s.tables == nil {
		return nil
	}
	lock, info, err := s.lockItem(ctx)
	if err != nil || lock == nil {
		return err
	}
	if lock.ID != id {
		return fmt.Errorf("the lock in %s is %s now", s.at.Table, lock)
	}
	_, err = s.tables.DeleteItem(ctx, &dynamodb.DeleteItemInput{
		TableName: &s.at.Table, Key: key(s.at.LockID()),
		ConditionExpression:       aws.String("Info = :ours"),
		ExpressionAttributeValues: map[string]dynamo.AttributeValue{":ours": text(info)},
	})
	return conditional(refusal("dynamodb:DeleteItem", s.at.Table, err), err, "the lock is another one now")
}

// releaseFile deletes the lock object if it is still the one that was read
// (If-Match, which S3 heeds for deletes since 2025; a store that doesn't know it
// ignores it).
func (s *Store) releaseFile(ctx context.Context, id string) error {
	where := "s3://" + s.at.Bucket + "/" + s.at.LockKey()
	in := &s3.GetObjectInput{Bucket: &s.at.Bucket, Key: aws.String(s.at.LockKey())}
	if s.customerKey() {
		in.SSECustomerAlgorithm, in.SSECustomerKey, in.SSECustomerKeyMD5 = s.customer()
	}
	out, err := s.s3.GetObject(ctx, in)
	if gone(err) {
		return nil
	}
	if err != nil {
		return refusal("s3:GetObject", where, err)
	}
	defer out.Body.Close()
	content, err := read(out.Body)
	if err != nil {
		return err
	}
	lock, err := state.ParseLock(content)
	if err != nil {
		return fmt.Errorf("%s: %w", where, err)
	}
	if lock.ID != id {
		return fmt.Errorf("the lock %s is %s now", where, lock)
	}
	_, err = s.s3.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &s.at.Bucket, Key: aws.String(s.at.LockKey()), IfMatch: out.ETag})
	if status(err) == http.StatusPreconditionFailed {
		return errors.New("the lock " + where + " is another one now")
	}
	return refusal("s3:DeleteObject", where, err)
}

// conditional says in words that a condition didn't hold.
func conditional(said, err error, words string) error {
	var failed *dynamo.ConditionalCheckFailedException
	if errors.As(err, &failed) {
		return errors.New(words)
	}
	return said
}
