package server

import "larder/server/resp"

// later answers a client's command with what work returns, which may wait for the disk: it runs outside of the loop,
// and the client's next requests wait for it. write words the reply, on the loop again.
func (ex *executor) later(s *session, work func() (write func(w *resp.Writer))) {
	silent := s.replyOff || s.replySkip > 0
	s.conn.Suspend()
	go func() {
		write := work()
		ex.post(func() {
			out := s.conn.Out()
			mark := out.Mark()
			write(out)
			if silent {
				out.Truncate(mark)
			}
			ex.resume(s)
		})
	}()
}
