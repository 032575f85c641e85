//go:build !unix

package tfexec

import "syscall"

func ownSession() *syscall.SysProcAttr { return nil }
