// Package sarif holds what judges holdfast's SARIF: the official schema
// (sarif-schema-2.1.0.json, errata 01), as go-sarif carries it. It is a module of
// its own, so that holdfast's go.mod doesn't know a schema validator.
package sarif
