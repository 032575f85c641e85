package dynamo

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/holdfast/holdfast/internal/lab/wire"
)

// expression reads condition and projection expressions: attribute_exists,
// attribute_not_exists, =, <>, AND, OR, NOT, parentheses, #names, :values.
// The rest of the language is refused with wire.Unsupported.
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Expressions.OperatorsAndFunctions.html
type expression struct {
	what   string
	names  map[string]string
	values map[string]value

	tokens []string
	pos    int
	used   map[string]bool
}

type predicate func(item) bool

// condition compiles; an empty text always holds.
func (e *expression) condition(text string) (predicate, error) {
	if text == "" {
		return func(item) bool { return true }, nil
	}
	if err := e.lex(text); err != nil {
		return nil, err
	}
	p, err := e.or()
	if err != nil {
		return nil, err
	}
	if e.pos < len(e.tokens) {
		return nil, e.syntax()
	}
	return p, nil
}

// projection returns nil for "everything".
func (e *expression) projection(text string) ([]string, error) {
	if text == "" {
		return nil, nil
	}
	if err := e.lex(text); err != nil {
		return nil, err
	}
	paths := []string{}
	for {
		path, err := e.path()
		if err != nil {
			return nil, err
		}
		paths = append(paths, path)
		if e.pos == len(e.tokens) {
			return paths, nil
		}
		if e.next() != "," {
			e.pos--
			return nil, e.syntax()
		}
	}
}

// unused refuses names and values that no expression of the request used.
func (e *expression) unused() error {
	for _, name := range slices.Sorted(maps.Keys(e.names)) {
		if !e.used[name] {
			return invalid("Value provided in ExpressionAttributeNames unused in expressions: keys: {" + name + "}")
		}
	}
	for _, name := range slices.Sorted(maps.Keys(e.values)) {
		if !e.used[name] {
			return invalid("Value provided in ExpressionAttributeValues unused in expressions: keys: {" + name + "}")
		}
	}
	return nil
}

func (e *expression) lex(text string) error {
	e.tokens, e.pos = nil, 0
	if e.used == nil {
		e.used = map[string]bool{}
	}
	for i := 0; i < len(text); {
		c := text[i]
		switch {
		case c == ' ' || c == '\t' || c == '\n' || c == '\r':
			i++
		case strings.HasPrefix(text[i:], "<>"), strings.HasPrefix(text[i:], "<="), strings.HasPrefix(text[i:], ">="):
			e.tokens = append(e.tokens, text[i:i+2])
			i += 2
		case strings.IndexByte("()=<>,.[]", c) >= 0:
			e.tokens = append(e.tokens, string(c))
			i++
		case c == '#' || c == ':' || word(c):
			j := i + 1
			for j < len(text) && word(text[j]) {
				j++
			}
			e.tokens = append(e.tokens, text[i:j])
			i = j
		default:
			return invalid(fmt.Sprintf("Invalid %s: Syntax error; token: %q, near: %q", e.what, string(c), text[i:]))
		}
	}
	return nil
}

func word(c byte) bool {
	return c == '_' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
}

func (e *expression) peek() string {
	if e.pos < len(e.tokens) {
		return e.tokens[e.pos]
	}
	return ""
}

func (e *expression) next() string {
	t := e.peek()
	e.pos++
	return t
}

func (e *expression) syntax() error {
	token := e.peek()
	if token == "" {
		token = "<EOF>"
	}
	return invalid(fmt.Sprintf("Invalid %s: Syntax error; token: %q, near: %q", e.what, token, strings.Join(e.tokens, " ")))
}

func (e *expression) or() (predicate, error) {
	left, err := e.and()
	for err == nil && strings.EqualFold(e.peek(), "OR") {
		e.pos++
		var right predicate
		if right, err = e.and(); err == nil {
			l := left
			left = func(i item) bool { return l(i) || right(i) }
		}
	}
	return left, err
}

func (e *expression) and() (predicate, error) {
	left, err := e.not()
	for err == nil && strings.EqualFold(e.peek(), "AND") {
		e.pos++
		var right predicate
		if right, err = e.not(); err == nil {
			l := left
			left = func(i item) bool { return l(i) && right(i) }
		}
	}
	return left, err
}

func (e *expression) not() (predicate, error) {
	if !strings.EqualFold(e.peek(), "NOT") {
		return e.primary()
	}
	e.pos++
	inner, err := e.not()
	return func(i item) bool { return !inner(i) }, err
}

func (e *expression) primary() (predicate, error) {
	if e.peek() == "(" {
		e.pos++
		inner, err := e.or()
		if err != nil {
			return nil, err
		}
		return inner, e.expect(")")
	}
	if e.pos+1 < len(e.tokens) && e.tokens[e.pos+1] == "(" {
		return e.function()
	}
	left, err := e.operand()
	if err != nil {
		return nil, err
	}
	operator := e.next()
	switch operator {
	case "=", "<>":
	case "<", "<=", ">", ">=", ".", "[":
		return nil, wire.Unsupported("dynamodb: " + operator + " in an expression")
	default:
		e.pos--
		if word := strings.ToUpper(operator); word == "IN" || word == "BETWEEN" {
			return nil, wire.Unsupported("dynamodb: " + word + " in an expression")
		}
		return nil, e.syntax()
	}
	right, err := e.operand()
	if err != nil {
		return nil, err
	}
	return func(i item) bool {
		a, okA := left(i)
		b, okB := right(i)
		// What isn't there equals nothing and differs from everything.
		same := okA && okB && a.equal(b)
		return same == (operator == "=")
	}, nil
}

func (e *expression) function() (predicate, error) {
	name := e.next()
	e.pos++
	if name != "attribute_exists" && name != "attribute_not_exists" {
		return nil, wire.Unsupported("dynamodb: the function " + name + " in an expression")
	}
	path, err := e.path()
	if err != nil {
		return nil, err
	}
	return func(i item) bool {
		_, ok := i[path]
		return ok == (name == "attribute_exists")
	}, e.expect(")")
}

func (e *expression) expect(token string) error {
	if e.peek() != token {
		return e.syntax()
	}
	e.pos++
	return nil
}

type operand func(item) (value, bool)

func (e *expression) operand() (operand, error) {
	if token := e.peek(); strings.HasPrefix(token, ":") {
		e.pos++
		v, ok := e.values[token]
		if !ok {
			return nil, invalid(fmt.Sprintf("Invalid %s: An expression attribute value used in expression is not defined; attribute value: %s", e.what, token))
		}
		e.used[token] = true
		return func(item) (value, bool) { return v, true }, v.check()
	}
	path, err := e.path()
	return func(i item) (value, bool) {
		v, ok := i[path]
		return v, ok
	}, err
}

func (e *expression) path() (string, error) {
	token := e.peek()
	if token == "" || !word(token[0]) && token[0] != '#' {
		return "", e.syntax()
	}
	e.pos++
	if next := e.peek(); next == "." || next == "[" {
		return "", wire.Unsupported("dynamodb: document paths in an expression")
	}
	if token[0] != '#' {
		return token, nil
	}
	name, ok := e.names[token]
	if !ok {
		return "", invalid(fmt.Sprintf("Invalid %s: An expression attribute name used in the document path is not defined; attribute name: %s", e.what, token))
	}
	e.used[token] = true
	return name, nil
}
