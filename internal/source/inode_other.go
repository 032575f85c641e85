//go:build !unix

package source

import "io/fs"

// inode is 0 where files have no such number: time and size must do.
func inode(fs.FileInfo) uint64 { return 0 }
