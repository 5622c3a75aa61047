"""What stands still: streets, ground, buildings, trees and street furniture."""
