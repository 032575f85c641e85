package e2e

func child(string) int { return 0 }
