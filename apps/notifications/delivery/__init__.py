"""Mail: what each letter says, handing it to the mail server once, and the mailbox that the demo has instead of one."""
