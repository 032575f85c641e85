// Package tools holds the programs that holdfast's tests run and that holdfast
// itself never links. They live in modules of their own so that their
// dependencies stay out of holdfast's go.mod.
package tools
