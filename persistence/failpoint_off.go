//go:build !failpoints

package persistence

// withFailpoints is the disk as it is; see failpoint_on.go.
func withFailpoints(d Disk) Disk { return d }

// roomAfter is LogOptions.RoomAfter where nobody says otherwise.
const roomAfter = 64
